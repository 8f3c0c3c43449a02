"""What makes the book a book: chapters, their parameters and claims, drawings, the explorer, the site and the PDF."""
