"""Long work: who asks for it, and what the trainer's process does, step by step."""
