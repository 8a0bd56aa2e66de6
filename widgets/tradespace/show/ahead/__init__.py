"""What an Explorer shows before its kernel has answered."""
