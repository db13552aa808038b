// Package asynqredis provides the Redis clients under asynq. asynq runs one script
// at a time, and each costs both sides two system calls, which is more than most of
// its scripts cost; its servers poll. Under these clients the scripts of one moment
// share a round trip, idle servers wait, and asynq still decides which script runs.
//
//   - [Servers] is under the servers of a process. It runs their scripts only for
//     lists that may have a task. The servers of a [Group] are shown as one.
//   - [Notifier] announces new tasks to the Servers of idle workers.
//   - [Producer] is under a client that makes many tasks at once.
//   - [Questions] is under an inspector that looks up many tasks at once.
//   - [WithoutMemory] is under an inspector whose Redis may forbid MEMORY.
//
// They rely on details of asynq that are not part of its API. Each is held by a test
// against the version in use:
//
//   - a task is made by one script, which answers 1, or 0 when it was there
//     (TestAsynqMakesATaskByOneScript);
//   - the script that takes a task has four keys, the first two of which end in
//     :pending and :paused, and answers nil when there is none; the one that moves
//     what is due has two, a list by time and :pending, and answers how many
//     (TestIdleServersRunNoScripts);
//   - the script that estimates the memory of a queue has seven keys, the last of
//     which ends in :groups (TestForbiddenMemoryTakesOnlyItsFigureAway);
//   - a server writes its entry in the list of servers by two ZADD and a script of two
//     keys, the entry first, in protobuf, and then its tasks (TestGroupIsListedAsOneServer);
//   - a server subscribes to one channel only, and go-redis opens a subscription with
//     HELLO, SUBSCRIBE and PING (TestCanceledTaskEnds);
//   - an inspector looks up a task by one script, after it has asked whether there
//     is such a queue (TestInspectorSharesRoundTrips).
package asynqredis
