// Package asynqredis are the Redis clients that asynq runs on here. asynq asks
// for one thing at a time, and each question costs both sides two system calls,
// which is more than most of its scripts cost. Under these clients what it asks
// at the same moment shares a round trip, and asynq still says what is asked.
//
//   - [Servers] is under the servers of a process. It also keeps them from asking
//     again at once for what was not there a moment ago.
//   - [Producer] is under a client that makes many tasks at once.
//   - [Questions] are under an inspector that asks about many tasks at once.
//
// They know some of asynq's ways, which are not part of its API. Each is held by
// a test against the version in use:
//
//   - a task is made by one script, which answers 1, or 0 when it was there
//     (TestAsynqMakesATaskByOneScript);
//   - the script that takes a task has four keys, the first two of which end in
//     :pending and :paused, and answers nil when there is none; the one that moves
//     what is due has two, a list by time and :pending, and answers how many
//     (TestServersThatFindNothingAskSeldom);
//   - an inspector asks about a task by one script, after it has asked whether
//     there is such a queue (TestInspectorSharesRoundTrips).
package asynqredis
