"""What all charts share: looks, marks, words, the widget under them; and `pure/`, what they compute without a page."""
