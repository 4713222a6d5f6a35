variable "endpoint" {
  description = "URL of the emulator, such as http://127.0.0.1:4566."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^https?://[^/ ]+/?$", var.endpoint))
    error_message = "endpoint must be a URL without a path, such as http://127.0.0.1:4566."
  }
}

variable "name" {
  description = "Prefix of every resource's name."
  type        = string
  default     = "custom-labels-batch"
  nullable    = false
}

# Both ARNs have the account that the emulator gives to the key "test", because the module warns of any other.
variable "project_arn" {
  description = "ARN of the Custom Labels project, which need not exist, in us-east-1 and the emulator's account."
  type        = string
  default     = "arn:aws:rekognition:us-east-1:000000000000:project/logos/1700000000000"
  nullable    = false
}

variable "project_version_arn" {
  description = "ARN of the model, which need not exist, in us-east-1 and the emulator's account."
  type        = string
  default     = "arn:aws:rekognition:us-east-1:000000000000:project/logos/version/logos.2024-01-31/1700000000001"
  nullable    = false
}

variable "alert_labels" {
  description = "Labels for which an event is sent, with the confidence from which one is."
  type        = map(number)
  default     = {}
  nullable    = false
}

variable "query_enabled" {
  description = "Also send each result as a line to Data Firehose."
  type        = bool
  default     = false
  nullable    = false
}

variable "schedule_expression" {
  description = "When EventBridge Scheduler starts a run."
  type        = string
  default     = "rate(1 hour)"
  nullable    = false
}

variable "schedule_enabled" {
  description = "false: runs start only by hand."
  type        = bool
  default     = true
  nullable    = false
}

variable "lease_seconds" {
  description = "How long a run keeps the model without renewing its lease."
  type        = number
  default     = 900
  nullable    = false
}

variable "max_run_minutes" {
  description = "Longest time in minutes that a run labels."
  type        = number
  default     = 1440
  nullable    = false
}

variable "reconcile_schedule_expression" {
  description = "When to look for images that have no message. null: only when started by hand."
  type        = string
  default     = "rate(1 day)"
}

variable "min_inference_units" {
  description = "Fewest inference units that a run rents."
  type        = number
  default     = 1
  nullable    = false
}

variable "max_inference_units" {
  description = "Most inference units that a run may rent."
  type        = number
  default     = 1
  nullable    = false
}

# Per second of wall time: the functions use this machine's clock, whatever clock the emulator has.
variable "images_per_second_per_unit" {
  description = "Images that one inference unit labels per second of this machine's clock."
  type        = number
  default     = 3
  nullable    = false
}

variable "target_drain_minutes" {
  description = "Minutes in which a run should label the backlog."
  type        = number
  default     = 60
  nullable    = false
}

variable "min_backlog" {
  description = "Number of images that justify a model start."
  type        = number
  default     = 1
  nullable    = false
}

variable "max_wait_minutes" {
  description = "Longest time in minutes that images wait for more images."
  type        = number
  default     = 240
  nullable    = false
}

variable "max_model_hours_per_day" {
  description = "Hours that the model may run per day. null: no cap."
  type        = number
  default     = null
}

variable "package_dir" {
  description = "Folder with the functions' zips. null: the repository's build folder."
  type        = string
  default     = null
}
