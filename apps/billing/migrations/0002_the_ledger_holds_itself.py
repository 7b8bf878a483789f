"""What no code can get around: a transaction sums to zero, nothing written is changed, balances follow the entries."""

from django.db import migrations

FORWARD = """
ALTER TABLE billing_ledgertransaction ADD COLUMN written_in xid8 NOT NULL DEFAULT pg_current_xact_id();

-- Rows of the ledger can be neither updated nor deleted.
CREATE FUNCTION billing_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the ledger is append-only: correct it by another transaction' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER ledger_transaction_append_only BEFORE UPDATE OR DELETE ON billing_ledgertransaction
  FOR EACH ROW EXECUTE FUNCTION billing_refuse_change();
CREATE TRIGGER ledger_entry_append_only BEFORE UPDATE OR DELETE ON billing_ledgerentry
  FOR EACH ROW EXECUTE FUNCTION billing_refuse_change();
CREATE TRIGGER posted_charge_append_only BEFORE UPDATE OR DELETE ON billing_postedcharge
  FOR EACH ROW EXECUTE FUNCTION billing_refuse_change();
-- Nor all at once, but by a test that begins anew.
CREATE FUNCTION billing_refuse_emptying() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF current_setting('artemis.ledger_may_be_emptied', true) IS DISTINCT FROM 'on' THEN
    RAISE EXCEPTION 'the ledger is append-only' USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER ledger_transaction_not_emptied BEFORE TRUNCATE ON billing_ledgertransaction
  FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse_emptying();
CREATE TRIGGER ledger_entry_not_emptied BEFORE TRUNCATE ON billing_ledgerentry
  FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse_emptying();
CREATE TRIGGER posted_charge_not_emptied BEFORE TRUNCATE ON billing_postedcharge
  FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse_emptying();

-- Entries come with their transaction, in the same transaction of the database, never later.
CREATE FUNCTION billing_refuse_late_entries() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT FROM added JOIN billing_ledgertransaction t ON t.id = added.transaction_id
             WHERE t.written_in <> pg_current_xact_id()) THEN
    RAISE EXCEPTION 'a transaction that is written gets no more entries' USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER ledger_entry_in_time AFTER INSERT ON billing_ledgerentry
  REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse_late_entries();

-- At the commit, a transaction has two entries or more, which sum to zero.
CREATE FUNCTION billing_check_transaction() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  checked bigint;
  entries integer;
  total numeric;
BEGIN
  IF TG_TABLE_NAME = 'billing_ledgerentry' THEN checked = NEW.transaction_id; ELSE checked = NEW.id; END IF;
  SELECT count(*), coalesce(sum(amount), 0) INTO entries, total
    FROM billing_ledgerentry WHERE transaction_id = checked;
  IF entries < 2 OR total <> 0 THEN
    RAISE EXCEPTION 'ledger transaction % has % entries that sum to %, not two or more that sum to zero',
      checked, entries, total USING ERRCODE = 'check_violation';
  END IF;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER ledger_transaction_balanced AFTER INSERT ON billing_ledgertransaction
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION billing_check_transaction();
CREATE CONSTRAINT TRIGGER ledger_entries_balanced AFTER INSERT ON billing_ledgerentry
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION billing_check_transaction();

-- Balances follow the entries, whoever writes them.
CREATE FUNCTION billing_follow_entries() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE billing_ledgeraccount a SET balance = a.balance + s.total
    FROM (SELECT ledger_account_id, sum(amount) AS total FROM added GROUP BY 1) s WHERE a.id = s.ledger_account_id;
  RETURN NULL;
END $$;
CREATE TRIGGER ledger_balance AFTER INSERT ON billing_ledgerentry
  REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION billing_follow_entries();
"""

BACKWARD = """
DROP TRIGGER ledger_balance ON billing_ledgerentry;
DROP TRIGGER ledger_entries_balanced ON billing_ledgerentry;
DROP TRIGGER ledger_transaction_balanced ON billing_ledgertransaction;
DROP TRIGGER ledger_entry_in_time ON billing_ledgerentry;
DROP TRIGGER posted_charge_not_emptied ON billing_postedcharge;
DROP TRIGGER ledger_entry_not_emptied ON billing_ledgerentry;
DROP TRIGGER ledger_transaction_not_emptied ON billing_ledgertransaction;
DROP TRIGGER posted_charge_append_only ON billing_postedcharge;
DROP TRIGGER ledger_entry_append_only ON billing_ledgerentry;
DROP TRIGGER ledger_transaction_append_only ON billing_ledgertransaction;
DROP FUNCTION billing_follow_entries, billing_check_transaction, billing_refuse_late_entries, billing_refuse_emptying,
  billing_refuse_change;
ALTER TABLE billing_ledgertransaction DROP COLUMN written_in;
"""


class Migration(migrations.Migration):
    dependencies = [("billing", "0001_initial")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
