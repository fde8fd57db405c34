"""What images are made of, checked without an engine; tests/deploy runs them."""
