\c gitea
GRANT ALL ON SCHEMA public TO gitea;
