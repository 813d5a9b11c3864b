/* joint.pml -- a reservation over several regions: all of its parts, or none.                                   (Spin 6.5.2)
 * Region 0 is the owner: it was asked, has a part of its own, and decides. What is sent is a fact: it may arrive at any time
 * from then on, any number of times, or never while something else may happen. A crash loses what is not written. Before what
 * is modelled the owner asks all regions whether they have room (OFFER, ACCEPT); that binds nobody, so it is left out: a region
 * that gets the COMMIT may have room or not.
 *
 *   owner   NONE -> PREPARING -> KEPT | CANCELLED;  KEPT -> CANCELLED;  CANCELLED -> FORGOTTEN once all have acknowledged
 *   part    NONE -> HELD -> KEPT;  NONE, HELD, KEPT -> DROPPED, for ever.  Windows open in a part that is KEPT only.
 *
 * -DROLLBACK: the owner's disk is replaced by one from before it was asked. Sessions begin anew then, so that what was sent in
 * the old ones is dropped; each region tells of its parts, and the owner answers for what it knows nothing of: not kept.
 * Not modelled: a region that is lost for ever (its part is, too), an old disk of another region than the owner.
 */
#define N 3
#define NONE 0
#define HELD 1
#define KEPT 2
#define DROPPED 3
#define PREPARING 1
#define CANCELLED 3
#define FORGOTTEN 4
#ifndef CRASHES
#define CRASHES 2
#endif

byte owner=NONE; byte part[N];                    /* durable */
bit got[N]; bit acked[N];                         /* the owner's memory: who has answered COMMITTED; who has acknowledged the cancel */
bit commit[N]; bit committed[N]; bit burned[N]; bit keep[N]; bit cancel[N]; bit ack[N]; bit told[N];   /* sent */
byte crashes=CRASHES; bit asked=0; bit rolled=0;

#define ALL(a) (a[1] && a[2])
#define HAS(i) (part[i]==HELD || part[i]==KEPT)
/* A window may open: nobody has dropped its part, unless the owner cancels the whole just now. */
#define WHOLE (rolled || owner==CANCELLED || (HAS(0) && HAS(1) && HAS(2)))

#ifdef M_KEEP_EARLY              /* the owner keeps it when half of the regions have taken their parts */
#define ENOUGH (got[1] || got[2])
#else
#define ENOUGH ALL(got)
#endif
#ifdef M_FORGET_EARLY            /* the owner forgets what it cancelled when it has said so */
#define OVER ALL(cancel)
#else
#define OVER ALL(acked)
#endif

#define SEND(i) \
  :: atomic { owner==PREPARING && !commit[i] -> commit[i]=1 } \
  :: atomic { owner==KEPT && !keep[i] -> keep[i]=1 } \
  :: atomic { owner==CANCELLED && !cancel[i] -> cancel[i]=1 } \
  :: atomic { committed[i] && owner==PREPARING && !got[i] -> got[i]=1 } \
  :: atomic { burned[i] && owner==PREPARING -> owner=CANCELLED; part[0]=DROPPED } \
  :: atomic { ack[i] && owner==CANCELLED && !acked[i] -> acked[i]=1 } \
  :: atomic { told[i] && (owner==NONE || owner==FORGOTTEN) && !cancel[i] -> cancel[i]=1 }

proctype Owner() {
end: do
  :: atomic { owner==NONE && !asked -> asked=1; owner=PREPARING; part[0]=HELD }
  SEND(1)
  SEND(2)
  :: atomic { owner==PREPARING && ENOUGH -> owner=KEPT; part[0]=KEPT; assert(WHOLE) }
  :: atomic { owner==PREPARING -> owner=CANCELLED; part[0]=DROPPED }        /* it takes too long, or an operator cancels */
  :: atomic { owner==KEPT -> owner=CANCELLED; part[0]=DROPPED }             /* an operator cancels */
  :: atomic { owner==CANCELLED && OVER -> owner=FORGOTTEN }
  :: atomic { crashes>0 && (ALL(got) || got[1] || got[2] || acked[1] || acked[2]) -> crashes--; got[1]=0; got[2]=0; acked[1]=0; acked[2]=0 }
#ifdef ROLLBACK
  :: atomic { !rolled && owner!=NONE -> rolled=1; owner=NONE; part[0]=NONE; got[1]=0; got[2]=0; acked[1]=0; acked[2]=0;
       commit[1]=0; commit[2]=0; keep[1]=0; keep[2]=0; cancel[1]=0; cancel[2]=0; committed[1]=0; committed[2]=0;
       burned[1]=0; burned[2]=0; ack[1]=0; ack[2]=0; told[1]=0; told[2]=0 }
#endif
  od
}

proctype Region(byte i) {
end: do
  :: atomic { commit[i] && part[i]==NONE -> part[i]=DROPPED }               /* it has no room */
#ifdef M_OPEN_EARLY              /* windows open as soon as the part is taken */
  :: atomic { commit[i] && part[i]==NONE -> part[i]=KEPT; assert(WHOLE) }
#else
  :: atomic { commit[i] && part[i]==NONE -> part[i]=HELD }
#endif
  :: atomic { commit[i] && HAS(i) && !committed[i] -> committed[i]=1 }
  :: atomic { commit[i] && part[i]==DROPPED && !burned[i] -> burned[i]=1 }
  :: atomic { keep[i] && part[i]==HELD -> part[i]=KEPT; assert(WHOLE) }
  :: atomic { cancel[i] && part[i]!=DROPPED -> part[i]=DROPPED }
  :: atomic { cancel[i] && part[i]==DROPPED && !ack[i] -> ack[i]=1 }
  :: atomic { HAS(i) && !told[i] -> told[i]=1 }
#ifdef M_GIVE_UP                 /* a region gives up a part that nobody has confirmed for a while */
  :: atomic { part[i]==HELD -> part[i]=DROPPED }
#endif
#ifdef M_NO_TOMBSTONE            /* a region forgets that it has dropped its part */
  :: atomic { part[i]==DROPPED && ack[i] -> part[i]=NONE }
#endif
  od
}

/* When nothing more can happen, all is as the owner says. */
proctype Rest() {
end: timeout -> assert((owner==KEPT && part[0]==KEPT && part[1]==KEPT && part[2]==KEPT) || ((owner==NONE || owner==FORGOTTEN) && !HAS(0) && !HAS(1) && !HAS(2)))
}

init { atomic { run Owner(); run Region(1); run Region(2); run Rest() } }
