"""What both stages use: jobs, records, evaluation, plots and the command line."""
