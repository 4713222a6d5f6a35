# What every file of this folder begins with; a run says what differs.
name         = "labels-check-queue"
region       = "us-east-1"
account_id   = "123456789012"
description  = "Counts."
handler      = "check_queue.handler.handler"
package_file = "./main.tf" # any file that is there: a plan only hashes it
policy_json  = "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Sid\":\"Read\",\"Effect\":\"Allow\",\"Action\":\"sqs:ReceiveMessage\",\"Resource\":\"arn:aws:sqs:us-east-1:123456789012:labels\"}]}"
environment  = { DEPLOYMENT_NAME = "labels" }
