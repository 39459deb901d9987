"""What every process stands on: clock, settings, problems, logging, background tasks, pickling."""
