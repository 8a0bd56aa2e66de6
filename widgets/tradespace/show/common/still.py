"""The still picture that goes with a widget, for where widgets do not live: a page on GitHub, a printed notebook."""

import base64
import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 80


class Still:
    """What a widget inherits first to be shown with a picture beside it."""

    def _still(self) -> "Figure | None":
        """The picture; None where there is nothing to see yet."""
        raise NotImplementedError

    def _repr_mimebundle_(self, **options: Any) -> Any:
        bundle = super()._repr_mimebundle_(**options)  # type: ignore[misc]  # the widget's
        figure = self._still() if bundle else None
        if figure is not None:
            # Widgets that bring their own JavaScript return their metadata too.
            data = bundle[0] if isinstance(bundle, tuple) else bundle
            picture = io.BytesIO()
            figure.savefig(picture, format="png", dpi=DPI)
            data["image/png"] = base64.b64encode(picture.getvalue()).decode()
        return bundle
