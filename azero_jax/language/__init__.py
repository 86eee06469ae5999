"""What a program is: its ops, its memory and the roles of its registers, as tensors and as text."""
