"""What a process does for the streams it owns: readings in, answers out."""
