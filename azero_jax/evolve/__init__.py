"""Search algorithms: batches of candidates, and what becomes of them."""
