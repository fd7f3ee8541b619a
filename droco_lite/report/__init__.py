"""Reports: result files, the tables and figures made of them, and statistics of a few seeds.

``droco-lite report`` writes every table and figure of the results chapters; a chapter prints the
same tables (:data:`TABLES`) and draws the same figures (:mod:`droco_lite.report.figures`), and
:func:`check` compares what the committed chapters show with what the results give now. No trainer
is loaded here.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
