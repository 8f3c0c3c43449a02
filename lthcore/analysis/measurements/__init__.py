"""What is measured of tickets, documents and filters, besides the results of their training."""
