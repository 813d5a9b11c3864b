-- A job that was settled here may come back, once its home has forgotten how it ended (an old disk): it begins anew.

CREATE TRIGGER jobs_begin_anew AFTER UPDATE OF spec ON jobs WHEN OLD.settled = 1 AND NEW.settled = 0
BEGIN
  DELETE FROM timeline WHERE job_id = NEW.id;
END;
