"""What every picture is drawn with: shapes, text, fonts, colours, the card, and `Picture`."""
