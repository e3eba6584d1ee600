module kafkalite/benchmarks/load_generator

go 1.21
