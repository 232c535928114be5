"""A FeFET weight cell and a study of endurance, as a plug-in of archsim; whoever imports the package has both."""

from archsim_fefet.cell import FefetCell
from archsim_fefet.endurance import STUDY

__all__ = ["STUDY", "FefetCell"]
