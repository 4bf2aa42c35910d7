package store

// The fields of every type that is encoded, in their order. See codec.

func (c *codec) command(cmd Command) {
	switch r := cmd.(type) {
	case *PutRequest:
		c.put(r)
	case *DeleteRangeRequest:
		c.deleteRange(r)
	case *TxnRequest:
		c.txn(r)
	case *CompactionRequest:
		c.int(&r.Revision)
	case *LeaseGrantRequest:
		c.int(&r.ID)
		c.int(&r.TTL)
	case *LeaseRevokeRequest:
		c.int(&r.ID)
	case *LeaseCheckpointRequest:
		list(c, &r.Checkpoints, func(p *LeaseCheckpoint) {
			c.int(&p.ID)
			c.int(&p.Remaining)
		})
	case *AlarmRequest:
		enum(c, &r.Action)
		c.alarm(&r.Alarm)
	case *DefragmentRequest:
	case *MemberSetRequest:
		c.member(&r.Member)
	case *MemberRemoveRequest:
		c.uint(&r.ID)
	}
}

func (c *codec) response(resp Response) {
	switch r := resp.(type) {
	case *PutResponse:
		c.putResponse(r)
	case *DeleteRangeResponse:
		c.deleteRangeResponse(r)
	case *TxnResponse:
		c.txnResponse(r)
	case *CompactionResponse:
		c.int(&r.Revision)
	case *LeaseGrantResponse:
		c.int(&r.Revision)
		c.int(&r.ID)
		c.int(&r.TTL)
	case *LeaseRevokeResponse:
		c.int(&r.Revision)
	case *LeaseCheckpointResponse:
		c.int(&r.Revision)
	case *AlarmResponse:
		c.int(&r.Revision)
		list(c, &r.Alarms, c.alarm)
	case *DefragmentResponse:
		c.int(&r.Revision)
		c.int(&r.Size)
	case *MemberSetResponse:
		c.int(&r.Revision)
	case *MemberRemoveResponse:
		c.int(&r.Revision)
	}
}

func (c *codec) keyValue(kv *KeyValue) {
	c.bytes(&kv.Key)
	c.int(&kv.CreateRevision)
	c.int(&kv.ModRevision)
	c.int(&kv.Version)
	c.bytes(&kv.Value)
	c.int(&kv.Lease)
}

func (c *codec) keyValues(kvs *[]*KeyValue) {
	list(c, kvs, func(kv **KeyValue) {
		if !c.writing {
			*kv = new(KeyValue)
		}
		c.keyValue(*kv)
	})
}

func (c *codec) alarm(a *Alarm) {
	c.uint(&a.Member)
	enum(c, &a.Type)
}

func (c *codec) member(m *Member) {
	c.uint(&m.ID)
	c.string(&m.Name)
	list(c, &m.PeerURLs, c.string)
	list(c, &m.ClientURLs, c.string)
}

func (c *codec) put(r *PutRequest) {
	c.bytes(&r.Key)
	c.bytes(&r.Value)
	c.int(&r.Lease)
	c.flags(&r.PrevKV, &r.IgnoreValue, &r.IgnoreLease)
}

func (c *codec) putResponse(r *PutResponse) {
	c.int(&r.Revision)
	optional(c, &r.PrevKV, c.keyValue)
}

func (c *codec) deleteRange(r *DeleteRangeRequest) {
	c.bytes(&r.Key)
	c.bytes(&r.End)
	c.flags(&r.PrevKV)
}

func (c *codec) deleteRangeResponse(r *DeleteRangeResponse) {
	c.int(&r.Revision)
	c.int(&r.Deleted)
	c.keyValues(&r.PrevKVs)
}

func (c *codec) rangeRequest(r *RangeRequest) {
	c.bytes(&r.Key)
	c.bytes(&r.End)
	c.int(&r.Limit)
	c.int(&r.Revision)
	enum(c, &r.SortOrder)
	enum(c, &r.SortTarget)
	c.flags(&r.KeysOnly, &r.CountOnly)
	c.int(&r.MinModRevision)
	c.int(&r.MaxModRevision)
	c.int(&r.MinCreateRevision)
	c.int(&r.MaxCreateRevision)
}

func (c *codec) rangeResponse(r *RangeResponse) {
	c.int(&r.Revision)
	c.keyValues(&r.KVs)
	c.flags(&r.More)
	c.int(&r.Count)
}

// maxDepth of nested transactions. Validate's limit of operations is reached
// before it, as each level needs one.
const maxDepth = MaxTxnOps + 1

func (c *codec) txn(r *TxnRequest) {
	if c.depth++; c.depth > maxDepth {
		c.fail()
		return
	}
	list(c, &r.Compare, func(p *Compare) {
		c.bytes(&p.Key)
		c.bytes(&p.End)
		enum(c, &p.Result)
		enum(c, &p.Target)
		c.int(&p.Number)
		c.bytes(&p.Value)
	})
	list(c, &r.Success, c.op)
	list(c, &r.Failure, c.op)
	c.depth--
}

func (c *codec) op(o *Op) {
	optional(c, &o.Range, c.rangeRequest)
	optional(c, &o.Put, c.put)
	optional(c, &o.DeleteRange, c.deleteRange)
	optional(c, &o.Txn, c.txn)
}

func (c *codec) txnResponse(r *TxnResponse) {
	if c.depth++; c.depth > maxDepth {
		c.fail()
		return
	}
	c.int(&r.Revision)
	c.flags(&r.Succeeded)
	list(c, &r.Responses, func(o *OpResponse) {
		optional(c, &o.Range, c.rangeResponse)
		optional(c, &o.Put, c.putResponse)
		optional(c, &o.DeleteRange, c.deleteRangeResponse)
		optional(c, &o.Txn, c.txnResponse)
	})
	c.depth--
}
