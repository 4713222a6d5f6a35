# What every file of this folder begins with; a run says what differs.
name                     = "labels"
bucket_name              = "labels-source"
source_events            = "notification"
image_suffixes           = [".jpg", ".PNG"]
consumer_timeout_seconds = 120
sender_arns              = ["arn:aws:iam::123456789012:role/labels-analyze-image-us-east-1", "arn:aws:iam::123456789012:role/*/on-call"]
dead_letter_sender_arns  = ["arn:aws:iam::123456789012:role/labels-analyze-image-us-east-1"]

place = {
  partition  = "aws"
  region     = "us-east-1"
  account_id = "123456789012"
}
