variable "region" {
  description = "Region of the model. null: the region of the environment."
  type        = string
  default     = null
}

variable "name" {
  description = "Prefix of every resource's name."
  type        = string
  default     = "custom-labels-batch"
  nullable    = false
}

variable "project_arn" {
  description = "ARN of the Custom Labels project."
  type        = string
  nullable    = false
}

variable "project_version_arn" {
  description = "ARN of the trained model that labels the images."
  type        = string
  nullable    = false
}

variable "schedule_expression" {
  description = "When EventBridge Scheduler starts a run: rate(...), cron(...) or at(...)."
  type        = string
  default     = "rate(1 hour)"
  nullable    = false
}

variable "schedule_enabled" {
  description = "false: the schedule exists but does not fire."
  type        = bool
  default     = true
  nullable    = false
}

variable "alarm_emails" {
  description = "Mail addresses that get the alarms, after they have confirmed it. []: you subscribe in another way. null: nobody does, and each plan warns about it."
  type        = list(string)
  default     = null
}
