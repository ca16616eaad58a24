-- From format 1 to format 2.

-- Journal: what listings show beside a head, as its writer wrote it.
ALTER TABLE heads ADD COLUMN annex TEXT;

-- Which definition a machine runs by is part of the machine's own record now.
DROP TABLE machines;
