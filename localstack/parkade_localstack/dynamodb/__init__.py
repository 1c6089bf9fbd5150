"""DynamoDB and its streams over the moto back end that comes with LocalStack, made safe for concurrent use.

moto does not lock; its transaction copies whole tables, and a cancelled one leaves open stream iterators on a replaced
table; one update can yield two stream records, a write that changes nothing yields one; each GetRecords leaks an
iterator; each Query scans the table; nothing expires; `ClientRequestToken` is ignored.  Each has a module here.
"""
