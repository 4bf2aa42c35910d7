package main

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"

	_ "modernc.org/sqlite" // the driver
)

// sqliteStore is a table of keys and values, with a write-ahead log and without fsync.
// Transactions that write begin as such, one at a time, and meet no conflict.
type sqliteStore struct {
	db             *sql.DB
	get, put, scan *sql.Stmt
}

func openSQLite(dir string) (store, error) {
	// Each connection has its own cache of pages, so a few are kept, not many.
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "db")+
		"?_txlock=immediate&_pragma=journal_mode(WAL)&_pragma=synchronous(OFF)&_pragma=busy_timeout(60000)&_pragma=cache_size(-65536)")
	if err != nil {
		return nil, err
	}
	db.SetMaxIdleConns(16)
	s := sqliteStore{db: db}
	_, err = db.Exec("CREATE TABLE kv (k BLOB PRIMARY KEY, v BLOB) WITHOUT ROWID")
	for _, q := range []struct {
		stmt **sql.Stmt
		text string
	}{
		{&s.get, "SELECT v FROM kv WHERE k = ?"},
		{&s.put, "INSERT INTO kv VALUES (?, ?) ON CONFLICT DO UPDATE SET v = excluded.v"},
		{&s.scan, "SELECT k, v FROM kv WHERE k >= ? AND k < ? ORDER BY k"},
	} {
		if err == nil {
			*q.stmt, err = db.Prepare(q.text)
		}
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return s, nil
}

func (s sqliteStore) Update(ctx context.Context, fn func(tx) error) (int, error) {
	txn, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return 0, err
	}
	defer txn.Rollback()
	if err := fn(sqliteTxn{s, ctx, txn}); err != nil {
		return 0, err
	}
	return 0, txn.Commit()
}

func (s sqliteStore) Snapshot(ctx context.Context) (snapshot, error) {
	txn, err := s.db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return nil, err
	}
	// It is as of the first read.
	t := sqliteTxn{s, ctx, txn}
	if _, err := t.Get(nil); err != nil {
		return nil, errors.Join(err, txn.Rollback())
	}
	return t, nil
}

func (s sqliteStore) Close() error { return s.db.Close() }

type sqliteTxn struct {
	s   sqliteStore
	ctx context.Context
	txn *sql.Tx
}

func (t sqliteTxn) Get(key []byte) (value []byte, err error) {
	err = t.txn.StmtContext(t.ctx, t.s.get).QueryRowContext(t.ctx, key).Scan(&value)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return value, err
}

func (t sqliteTxn) Scan(lo, hi []byte, fn func(k, v []byte) error) error {
	rows, err := t.txn.StmtContext(t.ctx, t.s.scan).QueryContext(t.ctx, lo, hi)
	if err != nil {
		return err
	}
	defer rows.Close()
	var k, v sql.RawBytes
	for rows.Next() {
		if err := rows.Scan(&k, &v); err != nil {
			return err
		}
		if err := fn(k, v); err != nil {
			return err
		}
	}
	return rows.Err()
}

func (t sqliteTxn) Put(key, value []byte) error {
	_, err := t.txn.StmtContext(t.ctx, t.s.put).ExecContext(t.ctx, key, value)
	return err
}

func (t sqliteTxn) Close() error { return t.txn.Rollback() }
