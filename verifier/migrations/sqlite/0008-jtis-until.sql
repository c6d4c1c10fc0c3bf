-- A jti whose time ended by then is not good any more, and may be forgotten: so none is good again because it was.
ALTER TABLE epochs ADD COLUMN jtis_until INTEGER NOT NULL DEFAULT 0;
