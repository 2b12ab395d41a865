NAME          KNAPSACK
ROWS
 N  VALUE
 L  WEIGHT
COLUMNS
    MARKER                 'MARKER'                 'INTORG'
    A         VALUE              -3.   WEIGHT              2.
    B         VALUE              -4.   WEIGHT              3.
    MARKER                 'MARKER'                 'INTEND'
RHS
    RHS       WEIGHT              7.
BOUNDS
 UP BOUND     A                   3.
 UP BOUND     B                   3.
ENDATA
