"""Figures: one style, slim SVG, sliders without a kernel, Plotly to hover, the windy cliff.

* :mod:`droco_lite.figures.colors`: the table of colours, one meaning each;
* :mod:`droco_lite.figures.style`: :func:`figure`, names of lines beside their ends;
* :mod:`droco_lite.figures.svg`: a Matplotlib figure or an image as slim markup;
* :mod:`droco_lite.figures.sliders`: :func:`explore`, pictures behind sliders;
* :mod:`droco_lite.figures.hover`: Plotly figures without a copy of plotly.js each;
* :mod:`droco_lite.figures.cliff`: distributions on a line and the windy cliff.

:mod:`droco_lite.explore` gathers the names that a chapter needs.
"""
