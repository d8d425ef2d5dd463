"""What is handed to a client: tables, pictures, one page, a workbook, OCSF events. Everything here is a view of a run."""
