"""Charts as inline SVG, drawn when the page is made. Colours come from the page's style sheet."""
