"""The label-free study: networks on partial Latin squares that differ in nothing but what their loss knows."""
