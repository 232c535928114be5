"""Reports: tables, figures and pages, whatever they are of, and the folders in which they lie."""
