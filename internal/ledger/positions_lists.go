package ledger

// The keys and arguments of open.lua.
const (
	openBatch   = iota
	openBatches // the scope's batches, by creation
	openSecret
)

const (
	openID          = iota
	openTenant      //
	openTest        // "1": of the test scope
	openReference   //
	openDigest      //
	openCreated     // in Unix ms
	openEmptyTTL    // of a batch without messages, in ms
	openSecretValue //
	openListed      // how many batches are listed
	openPace        // messages in a million seconds; 0: any number
)

// The key and the arguments of count.lua.
const (
	countBatch = iota
	countUsage // of the scope today
	countUsages
)

const (
	countValid = iota
	countDuplicates
	countUsageKept // how long usage is kept, in ms
	countRejected
)

// The key of recheck.lua, and its arguments for each row.
const recheckList = 0

const (
	recheckID       = iota // packed
	recheckListedAt        // the score when it was listed
	recheckNext            // when it is checked next, in Unix ms; empty: removed from the list
)

// The keys of handled.lua, and its key and arguments for each row.
const (
	handledList      = iota // of the consumer
	handledOtherList        // of the other consumer
)

const handledRecord = 0

const (
	handledID      = iota // packed
	handledHead           // the head of the record that is expected; empty: there was no record
	handledExpires        // in Unix ms; 0: never
)

// readMostBytes is the argument of read.lua: the largest size of the answer. Its
// keys have no names.
const readMostBytes = 0

// The arguments of reserve.lua, whose key is the quota.
const (
	reserveHold     = iota // name of the reservation
	reserveMessages        // 0: ends it
	reserveDaily           // messages a day of the API key
	reserveFor             // in ms
)

// listPositions are the positions of the scripts of batches and lists.
func listPositions(script string) positions {
	switch script {
	case "open":
		return positions{
			keys: []string{openBatch: batchPosition, openBatches: "BATCHES", openSecret: "SECRET"},
			args: []string{
				openID: "ID", openTenant: "TENANT", openTest: "TEST", openReference: "REFERENCE", openDigest: "DIGEST",
				openCreated: "CREATED", openEmptyTTL: "EMPTY_TTL", openSecretValue: "SECRET_VALUE", openListed: "LISTED",
				openPace: "PACE",
			},
		}
	case "count":
		return positions{
			keys: []string{countBatch: "BATCH", countUsage: "USAGE", countUsages: "USAGES"},
			args: []string{countValid: "VALID", countDuplicates: "DUPLICATES", countUsageKept: "USAGE_KEPT", countRejected: "REJECTED"},
		}
	case "reserve":
		return positions{
			keys: []string{"QUOTA"},
			args: []string{reserveHold: "HOLD", reserveMessages: "MESSAGES", reserveDaily: "DAILY", reserveFor: "FOR"},
		}
	case "recheck":
		return positions{
			keys:    []string{recheckList: "LIST"},
			rowArgs: []string{recheckID: "ID", recheckListedAt: "LISTED_AT", recheckNext: "NEXT"},
		}
	case "handled":
		return positions{
			keys:    []string{handledList: "LIST", handledOtherList: "OTHER_LIST"},
			rowKeys: []string{handledRecord: "RECORD"},
			rowArgs: []string{handledID: "ID", handledHead: "HEAD", handledExpires: "EXPIRES"},
		}
	case "read":
		return positions{args: []string{readMostBytes: "MOST_BYTES"}}
	default:
		return positions{}
	}
}
