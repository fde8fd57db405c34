"""Messages: deliveries to subscribers, and what delays or suspends them."""
