-- A jti whose time ended by then is not good any more, and may be forgotten: so none is good again because it was.
ALTER TABLE epochs ADD COLUMN jtis_until bigint NOT NULL DEFAULT 0;
-- Whoever uses a jti of a tenant's device looks there.
CREATE POLICY tenants_see ON epochs FOR SELECT USING (current_setting('akashi.tenant', true) <> '');
