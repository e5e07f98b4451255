"""Running studies: Optuna ask and tell, Ray and inline executors, the archive, the command line."""
