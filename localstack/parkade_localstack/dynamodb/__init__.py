"""DynamoDB and its streams over the moto back end that comes with LocalStack, made fit for concurrent use.

moto does not lock; its transaction copies whole tables, and a cancelled one leaves open stream iterators on a dead
stream; one update can yield two stream records, a write that changes nothing yields one; each GetRecords leaks an
iterator; each Query walks the table; nothing expires; `ClientRequestToken` is ignored.  A module here for each.
"""
