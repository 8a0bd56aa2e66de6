"""A still picture beside each widget, for where widgets do not work: a page on GitHub, a printed notebook."""

import base64
import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 80


class Still:
    """Mixin that shows a picture beside a widget. Inherit from it first."""

    def _still(self) -> "Figure | None":
        """Return the picture, or None if there is nothing to show yet."""
        raise NotImplementedError

    def _repr_mimebundle_(self, **options: Any) -> Any:
        bundle = super()._repr_mimebundle_(**options)  # type: ignore[misc]  # a method of the widget
        figure = self._still() if bundle else None
        if figure is not None:
            # Widgets with JavaScript of their own return metadata too.
            data = bundle[0] if isinstance(bundle, tuple) else bundle
            picture = io.BytesIO()
            figure.savefig(picture, format="png", dpi=DPI)
            data["image/png"] = base64.b64encode(picture.getvalue()).decode()
        return bundle
