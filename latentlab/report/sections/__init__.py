"""The parts of a page, in the order in which a report shows them."""

from __future__ import annotations

from collections.abc import Callable

from latentlab.report.page import Section
from latentlab.report.sections.attributes import attributes_section
from latentlab.report.sections.edit import edit_section
from latentlab.report.sections.estimators import estimators_section
from latentlab.report.sections.likelihood import likelihood_section
from latentlab.report.sections.manifold import manifold_section
from latentlab.report.sections.map import map_section
from latentlab.report.sections.morph import morph_section
from latentlab.report.sections.provenance import provenance_section
from latentlab.report.sections.quality import quality_section
from latentlab.report.sections.reconstructions import reconstructions_section
from latentlab.report.sections.samples import samples_section
from latentlab.report.sections.summary import summary_section
from latentlab.report.sections.training import training_section
from latentlab.report.sections.traversals import traversals_section

SECTIONS: dict[str, Callable[..., Section]] = {
    "summary": summary_section,
    "map": map_section,
    "manifold": manifold_section,
    "morph": morph_section,
    "edit": edit_section,
    "attributes": attributes_section,
    "estimators": estimators_section,
    "quality": quality_section,
    "reconstructions": reconstructions_section,
    "samples": samples_section,
    "traversals": traversals_section,
    "training": training_section,
    "likelihood": likelihood_section,
    "provenance": provenance_section,
}
