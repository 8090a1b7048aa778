//! Task, handbook and context made into a plan and a proposed action.
