"""Maps: the latents in two dimensions, with pictures on hover."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np

from latentlab.errors import UsageError
from latentlab.lab.embedding import embedded
from latentlab.lab.live import OMITTED, PageDecoder, page_decoder
from latentlab.lab.result import Origin, folder_name, html_strip, one_line, save
from latentlab.latents.name import find_name
from latentlab.maps.inverse import Inverse, inverse_of, recovered_variance
from latentlab.maps.manifold import ellipse, manifold_latents
from latentlab.maps.projections import Projection, project
from latentlab.maps.quality import map_quality
from latentlab.picture.encode import png_bytes
from latentlab.picture.grid import grid
from latentlab.runtime import Progress, silent

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from latentlab.data.dataset import Dataset
    from latentlab.lab.lab import Lab
    from latentlab.latents.store import StoredLatents
    from latentlab.latents.table import Latents
    from latentlab.report.page import Section

# Sides of the manifold's grid, and how many posteriors are drawn as ellipses.
SIDE = 20
ELLIPSES = 10
TAIL = 0.02
SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Whole:
    """All latents of a table, of which a map shows some.

    Args:
        coords: of all, of shape (n, 2).
        fitted: the rows that the map was fitted on.
        shown: the rows that are shown, ascending.
        pictured: which of the shown points have a picture, ascending.
    """

    coords: np.ndarray
    fitted: np.ndarray
    shown: np.ndarray
    pictured: np.ndarray


@dataclass(frozen=True)
class Map:
    """Latents on a map.

    Args:
        projection: where each point lies.
        table: the latents with what is known of each.
        images: a picture of each point, of shape (n, c, h, w): real where the data were given, decoded otherwise; of
            a table on disk those of `whole.pictured`, or (0, …) without a model.
        manifold: what each place of a 2-D latent space decodes to, of shape (r, r, c, h, w), or None.
        colours: by name, the first is shown first.
        scores: how well the map keeps the latent space.
        notes: what the reader should know.
        inverse: how a page that decodes finds the latent of a place; None for a page that is not to carry latents.
        live: the decoder that its page carries, or None.
        whole: of a table on disk, what all of its rows became; None for a gallery or data.
    """

    origin: Origin
    projection: Projection
    table: Latents
    images: np.ndarray
    manifold: np.ndarray | None
    colours: dict[str, np.ndarray]
    scores: dict[str, Any]
    notes: list[str] = field(default_factory=list)
    inverse: Inverse | None = None
    live: Mapping[str, Any] | None = None
    whole: Whole | None = None

    save = save
    __repr__ = one_line
    _repr_html_ = html_strip

    @property
    def latents(self) -> np.ndarray:
        """Posterior means, of shape (n, d)."""
        return self.table.mean

    @property
    def name(self) -> str:
        """The folder that suits it."""
        return folder_name("map", self.origin.subject)

    @property
    def title(self) -> str:
        """The heading of its page."""
        kinds = {"umap": "UMAP", "pca": "PCA", "latent": "The latent space"}
        return f"{kinds[self.projection.method]} of {self.origin.subject}"

    def strip(self) -> np.ndarray:
        """A few points from left to right; none where there are no pictures."""
        if not len(self.images):
            return self.images
        coords = self.projection.coords if self.whole is None else self.projection.coords[self.whole.pictured]
        order = np.argsort(coords[:, 0], kind="stable")
        return self.images[order[np.linspace(0, len(order) - 1, min(12, len(order))).astype(int)]]

    def pictures(self) -> dict[str, bytes]:
        """The manifold, where there is one; of a table on disk the places of all rows, and which rows were fitted."""
        files = {}
        if self.manifold is not None:
            flat = self.manifold.reshape(-1, *self.manifold.shape[2:])
            files["manifold.png"] = png_bytes(grid(flat, columns=self.manifold.shape[1], padding=0, scale=2))
        if self.whole is not None:
            files["coords.npy"] = _npy(self.whole.coords)
            files["fitted.npy"] = _npy(self.whole.fitted)
        return files

    def figure(self, colour: str | None = None) -> Figure:
        """The map as a plotly figure, to go on from in a notebook; see `lab.figure`."""
        from latentlab.lab.figure import map_figure

        return map_figure(self, colour)

    def sections(self) -> list[Section]:
        """The map, and the manifold of a 2-D latent."""
        from latentlab.report.figures.scatter_map import Ellipse
        from latentlab.report.sections.manifold import manifold_section
        from latentlab.report.sections.map import map_section

        ellipses = []
        if self.projection.method == "latent" and self.table.logvar is not None:
            for row in _spread(self.table.mean, ELLIPSES):
                center, axes = ellipse(self.table.mean[row], self.table.logvar[row])
                number = row if self.whole is None else self.whole.shown[row]
                ellipses.append(Ellipse(center, axes, f"@{number}"))
        sections = [
            map_section(
                self.projection.coords,
                "Map",
                self.projection.axes,
                self.colours,
                self.images,
                [str(name) for name in self.table.ids],
                self.scores,
                self.notes,
                ellipses,
                faithful=self.projection.method == "latent",
                inverse=self.inverse,
                split="" if "split" in self.colours else self.table.split,
                seed=self.origin.seed or 0,
                pictured=None if self.whole is None else self.whole.pictured,
            )
        ]
        if self.manifold is not None:
            span = float(np.abs(manifold_latents(2, tail=TAIL)).max())
            sections.append(manifold_section(self.manifold, span))
        return sections


def map_latents(
    lab: Lab,
    *,
    method: str | None = None,
    colour: str | None = None,
    data: Dataset | None = None,
    latents: StoredLatents | None = None,
    live: bool | PageDecoder = True,
    seed: int = 0,
    progress: Progress = silent,
) -> Map:
    """Lay latents out in two dimensions; codes by their embeddings.

    Args:
        lab: the model.
        method: a name in PROJECTIONS; None takes the latent itself where it is 2-D, else UMAP.
        colour: the label or attribute to colour by at first; the page offers all.
        data: images to map instead of the gallery.
        latents: a table on disk to map instead of the gallery; see `lab.table_map`.
        live: whether the page carries the model's decoder, which draws what lies between points; one that was made
            already is taken as it is.
        seed: of UMAP and of the scored subsample.
        progress: told of the work.

    Raises:
        LatentlabError: for an unknown method or colour, or too few images.
    """
    if latents is not None:
        from latentlab.lab.table_map import map_table

        if data is not None:
            raise UsageError("expected data or latents to map, got both; leave one out")
        return map_table(latents, lab, method=method, colour=colour, live=live, seed=seed, progress=progress)
    discrete, lab = not lab.latent.continuous, embedded(lab)
    method = method or ("latent" if lab.latent.size == 2 else "umap")
    table = lab.known() if data is None else lab.encode_data(data, progress)
    colours = colours_of(table, colour, list(lab.directions))
    progress("laying out the map", 0, 2)
    projection = project(table.mean, method, seed)
    progress("laying out the map", 1, 2)
    inverse = inverse_of(projection, table.mean)
    scores = dict(map_quality(table.mean, projection.coords, table.labels, seed=seed))
    if projection.method != "latent":
        scores["recovered"] = recovered_variance(inverse, projection.coords, seed=seed)
    progress("laying out the map", 2, 2)
    decoder = live if isinstance(live, PageDecoder) else page_decoder(lab, live)
    notes = []
    if decoder.data is None and decoder.lack != OMITTED:
        notes.append(f"between points the page shows the nearest point, since it carries no decoder: {decoder.lack}")
    if discrete:
        notes.append(
            "codes lie where their embeddings do; between points a page that decodes shows embeddings of no code"
        )
    if data is None:
        notes.append(f"the pictures are decoded from the latents that {lab.name} carries of its test images")
    manifold = None
    if method == "latent":
        if table.logvar is not None:
            notes.append("the outlines are the posteriors of some images, two standard deviations wide; @12 is row 12")
        manifold = manifold_of(lab)
    return Map(
        origin=lab.origin("map", seed, method=method, colour=colour, data=None if data is None else data.source),
        projection=projection,
        table=table,
        images=lab.decode(table.mean) if data is None else data.images,
        manifold=manifold,
        colours=colours,
        scores=scores,
        notes=notes,
        inverse=inverse,
        live=decoder.data,
    )


def manifold_of(lab: Lab) -> np.ndarray:
    """What each place of a 2-D latent space decodes to, of shape (r, r, c, h, w)."""
    places = manifold_latents(SIDE, tail=TAIL)
    return lab.decode(places.reshape(-1, 2)).reshape(SIDE, SIDE, *lab.image.shape)


def colours_of(table: Latents, first: str | None, known: list[str]) -> dict[str, np.ndarray]:
    """Everything that points can be coloured by: labels as words, attributes, splits, scores of attributes, the loss.

    Attributes come in the order in which the model knows them: a gallery keeps none.
    """
    colours: dict[str, np.ndarray] = {}
    scores: dict[str, np.ndarray] = {}
    names = [*(name for name in known if name in table.attributes), *(n for n in table.attributes if n not in known)]
    if table.labels is not None and table.classes:
        colours["label"] = np.array([*table.classes, "unknown"])[table.labels]
    for name in names:
        values = np.asarray(table.attributes[name], np.float32)
        binary = set(np.unique(values[~np.isnan(values)])) <= {0.0, 1.0}
        (colours if binary else scores)[name] = values
    splits = split_names(table)
    if len(set(splits)) > 1:
        colours["split"] = splits
    if table.loss is not None:
        scores["loss_nats"] = np.asarray(table.loss, np.float32)
    colours |= {name: values for name, values in scores.items() if name not in colours}
    if first is not None:
        found = find_name("label or attribute", first, [*colours, *table.classes])
        if found not in colours:
            colours[found] = np.where(table.truth(found) == 1, found, f"not {found}")
        colours = {found: colours[found], **colours}
    return colours or {"all": np.full(len(table), "image")}


def split_names(table: Latents) -> np.ndarray:
    """The split of each image, of shape (n,): the table's own or, of a table of all, the one that an id names.

    >>> from latentlab.latents.table import Latents
    >>> split_names(Latents(np.zeros((3, 2)), None, np.array(["mnist/train/0", "mnist/test/0", "mine"]), "all"))
    array(['train', 'test', 'all'], dtype='<U10')
    """
    if table.split != "all":
        return np.full(len(table), table.split)
    # Sources that hold several splits name their images source/split/number.
    parts = [str(name).split("/")[1:-1] for name in table.ids]
    return np.array([next((part for part in path if part in SPLITS), "all") for path in parts], dtype="<U10")


def _spread(points: np.ndarray, count: int) -> list[int]:
    """Rows of points far from each other, so that what is drawn about them does not overlap; outliers are left out."""
    away = np.linalg.norm(points - points.mean(axis=0), axis=1)
    central = np.flatnonzero(away <= np.quantile(away, 0.9))
    chosen = [int(central[away[central].argmin()])]
    nearest = np.full(len(central), np.inf)
    while len(chosen) < min(count, len(central)):
        nearest = np.minimum(nearest, np.linalg.norm(points[central] - points[chosen[-1]], axis=1))
        chosen.append(int(central[nearest.argmax()]))
    return chosen


def _npy(array: np.ndarray) -> bytes:
    buffer = BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()
