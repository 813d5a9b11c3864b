-- Capacity that is set aside for tenants, from when it was acknowledged until it was cancelled or is long over.
CREATE TABLE reservations (
  id TEXT NOT NULL PRIMARY KEY,
  name TEXT NOT NULL,
  tenant TEXT NOT NULL,
  -- msgpack of core/model/reservations.py: CapacityReservation.
  body BLOB NOT NULL
) STRICT, WITHOUT ROWID;
