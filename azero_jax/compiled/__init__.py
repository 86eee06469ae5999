"""What compiled loops are made of: helpers, tables, random words and hashes."""
