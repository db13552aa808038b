package ledger

import (
	"strconv"
	"strings"
)

// A script reads its keys and arguments by position. The constants below are the
// positions, counted from zero, by which Go fills them in; the tables beside them
// give their names, which are locals of the script, counted from one.

// batchPosition is the name of the key of a batch in the scripts.
const batchPosition = "BATCH"

// The keys of accept.lua: those of the call, then those of each row.
const (
	acceptSecret     = iota
	acceptCounts     // open messages by state and lane
	acceptRecent     // the latest messages of the scope
	acceptBatch      // the batch, or a name that no key has
	acceptMembers    // the packed ids of the batch's messages
	acceptChangedLog // the messages that the consumer has not handled
	acceptChangedCallbacks
	acceptTenant  // the share of the tenant
	acceptMemory  // total of the bytes accepted so far
	acceptQuota   // of the API key, or a name that no Redis key has
	acceptUsage   // of the scope today
	acceptUsages  // the latest of all scopes
	acceptWaiting // the waiting messages of the first lane; the other lanes follow
)

const (
	acceptRecord  = iota
	acceptOptOuts // of the recipient
)

// The arguments of accept.lua.
const (
	acceptSecretValue = iota
	acceptRecentKept
	acceptLaneLimit    // 0: none
	acceptHasBatch     // "1": there is a batch
	acceptTenantLimit  // of a lane; 0: none
	acceptMemoryRoom   // bytes that could be accepted when memory was read; empty: no limit
	acceptMemoryRead   // acceptMemory at that reading
	acceptTenantMemory // bytes that a tenant may have; empty: no limit
	acceptPeriod       // milliseconds of a period of expiry
	acceptDaily        // messages a day of the API key; 0: no limit
	acceptHold         // name of a reservation; empty: none
	acceptUsageKept    // how long usage is kept, in ms
)

const (
	acceptValue     = iota // the record
	acceptID               // packed
	acceptDue              // when it is due, in Unix ms; empty: now
	acceptStatus           //
	acceptCounter          // the lane as it is counted
	acceptLane             // index of its lane
	acceptClosed           // "1": a message that is not recorded yet is refused
	acceptConsumers        // letters of the consumers that list it
)

// The keys of put.lua.
const (
	putCalls = iota
	putUnknown
	putCounts
	putBegins
	putChangedLog // the messages that the consumer has not handled
	putChangedCallbacks
	putChangedBatches // of which messages have ended, for the callbacks
	putContent        // final messages by the time their content is dropped
	putUsages         // the latest of all scopes
	putWaiting        // the waiting messages of the first lane; the other lanes follow
)

const (
	putRecord = iota
	putBatch
	putMembers
	putOptOuts // of the recipient
	putUnknownOfScope
	putTenant // the share of the tenant
	putUsage  // of the scope today
)

// The arguments of put.lua.
const (
	putWorker       = iota // of the rows that begin a call; empty: none does
	putKnownBegins         // of its lease
	putKnownEpoch          // of its lease
	putChannel             // on which begins are announced
	putBatchTTLInMS        // of a batch without open messages
	putUsageKept           // how long usage is kept, in ms
)

const (
	putHead       = iota // the head of the record that is expected
	putOperation         //
	putValue             // the record that replaces it
	putTTL               // in ms; 0: none
	putID                // packed
	putLane              // index of its lane
	putAtWaiting         // when it is due, in Unix ms; offList: removed from the list; empty: unchanged
	putAtCalls           // ms until it is checked; offList and empty as above
	putAtUnknown         // as putAtCalls
	putAtContent         // as putAtCalls
	putCreated           // in Unix ms
	putLower             // a counter; empty: none
	putRaise             // a counter; empty: none
	putAttempt           // number of the attempt that begins; empty: none
	putCall              // reference of a multi-recipient send; empty: none
	putFrom              // state before, for the batch; empty: no batch
	putTo                // state after
	putBatchStay         // see batchStay
	putCancelable        // "1": refused when its batch is canceled
	putSuppressed        // "1": refused when opt-outs of the recipient exist
	putConsumers         // letters of the consumers that list it; its record has no TTL then
	putBytesFrom         // the field of the tenant's share that counts the bytes of the record that is expected
	putBytesTo           // as putBytesFrom, of the record that replaces it
	putEvent             // names of the counts of usage that it raises
)

// positions are the names of the keys and arguments of a script: those of the call,
// then those of each row.
type positions struct {
	keys, rowKeys, args, rowArgs []string
	perLane                      bool // the last of keys stands for one list a lane
}

// positionsOf are the positions of a script.
func positionsOf(script string) positions {
	switch script {
	case "accept":
		return positions{
			perLane: true,
			keys: []string{
				acceptSecret: "SECRET", acceptCounts: "COUNTS", acceptRecent: "RECENT", acceptBatch: batchPosition,
				acceptMembers: "MEMBERS", acceptChangedLog: "CHANGED_LOG", acceptChangedCallbacks: "CHANGED_CALLBACKS",
				acceptTenant: "TENANT", acceptMemory: "MEMORY", acceptQuota: "QUOTA", acceptUsage: "USAGE", acceptUsages: "USAGES",
				acceptWaiting: "WAITING",
			},
			rowKeys: []string{acceptRecord: "RECORD", acceptOptOuts: "OPT_OUTS"},
			args: []string{
				acceptSecretValue: "SECRET_VALUE", acceptRecentKept: "RECENT_KEPT", acceptLaneLimit: "LANE_LIMIT",
				acceptHasBatch: "HAS_BATCH", acceptTenantLimit: "TENANT_LIMIT", acceptMemoryRoom: "MEMORY_ROOM",
				acceptMemoryRead: "MEMORY_READ", acceptTenantMemory: "TENANT_MEMORY", acceptPeriod: "PERIOD",
				acceptDaily: "DAILY", acceptHold: "HOLD", acceptUsageKept: "USAGE_KEPT",
			},
			rowArgs: []string{
				acceptValue: "VALUE", acceptID: "ID", acceptDue: "DUE", acceptStatus: "STATUS", acceptCounter: "COUNTER",
				acceptLane: "LANE", acceptClosed: "CLOSED", acceptConsumers: "CONSUMERS",
			},
		}
	case "put":
		return positions{
			perLane: true,
			keys: []string{
				putCalls: "CALLS", putUnknown: "UNKNOWN", putCounts: "COUNTS", putBegins: "BEGINS",
				putChangedLog: "CHANGED_LOG", putChangedCallbacks: "CHANGED_CALLBACKS",
				putChangedBatches: "CHANGED_BATCHES", putContent: "CONTENT", putUsages: "USAGES", putWaiting: "WAITING",
			},
			rowKeys: []string{
				putRecord: "RECORD", putBatch: "BATCH", putMembers: "MEMBERS", putOptOuts: "OPT_OUTS",
				putUnknownOfScope: "UNKNOWN_OF_SCOPE", putTenant: "TENANT", putUsage: "USAGE",
			},
			args: []string{
				putWorker: "WORKER", putKnownBegins: "KNOWN_BEGINS", putKnownEpoch: "KNOWN_EPOCH", putChannel: "CHANNEL",
				putBatchTTLInMS: "BATCH_TTL", putUsageKept: "USAGE_KEPT",
			},
			rowArgs: []string{
				putHead: "HEAD", putOperation: "OPERATION", putValue: "VALUE", putTTL: "TTL", putID: "ID", putLane: "LANE",
				putAtWaiting: "AT_WAITING", putAtCalls: "AT_CALLS", putAtUnknown: "AT_UNKNOWN", putAtContent: "AT_CONTENT",
				putCreated: "CREATED",
				putLower:   "LOWER", putRaise: "RAISE",
				putAttempt: "ATTEMPT", putCall: "CALL", putFrom: "FROM", putTo: "TO", putBatchStay: "BATCH_STAY",
				putCancelable: "CANCELABLE", putSuppressed: "SUPPRESSED", putConsumers: "CONSUMERS",
				putBytesFrom: "BYTES_FROM", putBytesTo: "BYTES_TO", putEvent: "EVENT",
			},
		}
	default:
		return listPositions(script)
	}
}

// fixedKeys is the number of keys before those of the rows.
func (p positions) fixedKeys() int {
	if p.perLane {
		return len(p.keys) - 1 + lanes
	}
	return len(p.keys)
}

// locals declares the names in Lua, in one line.
func (p positions) locals() string {
	var names, values []string
	for _, table := range [][]string{p.keys, p.rowKeys, p.args, p.rowArgs} {
		for i, name := range table {
			names, values = append(names, name), append(values, strconv.Itoa(i+1))
		}
	}
	names = append(names, "FIXED_KEYS", "ROW_KEYS", "FIXED_ARGS", "ROW_ARGS", "OPEN_BYTES", "KEPT_BYTES")
	values = append(values,
		strconv.Itoa(p.fixedKeys()), strconv.Itoa(len(p.rowKeys)), strconv.Itoa(len(p.args)), strconv.Itoa(len(p.rowArgs)),
		strconv.Itoa(openBytes), strconv.Itoa(keptBytes))
	return "local " + strings.Join(names, ", ") + " = " + strings.Join(values, ", ") + "; " + recordBytes
}

// extend appends n elements to a list. It returns the list, and the new elements to
// fill in.
func extend[T any](list []T, n int) (all, places []T) {
	before := len(list)
	list = append(list, make([]T, n)...)
	return list, list[before:]
}
