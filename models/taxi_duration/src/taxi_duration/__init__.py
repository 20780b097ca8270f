"""What only the taxi example needs: TLC's trip records as rows of its schema."""
