"""Study 2: logical constraints through straight-through estimators (Yang, Lee and Park, ICML 2022)."""
