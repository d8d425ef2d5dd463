"""How fast and how far: measured on the lab, as ratios within one run. `make bench` prints the table and writes docs/benchmarks.md."""
