"""What is known of programs without running them: live instructions, the canonical form, constant predictions, cost."""
