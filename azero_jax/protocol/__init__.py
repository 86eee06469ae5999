"""The search protocol: experiments on search tasks, finalists on select tasks, the result on unseen tasks."""
