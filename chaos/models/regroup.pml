/* regroup.pml -- one member of a guardian group is replaced while jobs run, by joint consensus.                (Spin 6.5.2)
 * One shard, one job, four regions: the group is {0,1,2} at first, the one region outside is the next newcomer (empty, or an
 * earlier member with its old copy and its old promises). The protocol of terms, promises and leases is that of guardian.pml.
 *
 * The group stands in the log, so every copy knows one: og, ng are bit masks of the old and the new group. og==ng: stable.
 *   CHANGE   the leader's record: from its write on og = the present group, ng = the one with the newcomer. Joint.
 *   FINAL    the leader's record, once CHANGE is Q: og = ng. From its write on only the new group counts.
 * Whoever counts, counts by the newest group record in the log that it holds, Q or not; a candidate by the longest of its own
 * log and those that came with the promises. In the joint phase everything needs a majority of both groups: Q, promises,
 * and the lease. Lease: L after CHANGE was written, what the supervisors had been told by the old rule has run out; only
 * then FINAL (ob: old grants on which processes may still run). Only a member of ng may lead.
 * A member promises a number t once, to one candidate, and writes both (tm, pt).
 *
 * Who may stand for which term: here every member for every term (-DRANKED: by rank, as the code does, for the check that
 * nothing gets stuck). So safety rests on the promise and not on the ranks.
 * The job starts as acknowledged QUEUED on all three members; RUN and DONE are its records. A promise is read where it was
 * made: while it stands nothing of an older term is added to that log. Other abstractions as in guardian.pml.
 * Members 1 and 2 are alike at first: with one change, "1 is replaced" is "2 is replaced" with the names exchanged.
 * Not modelled: handoff during a change (COMMITs go to the shard, whoever leads it), a leader that replaces itself (it lets
 * another one lead first), more than one replaced member per change, lost disks (rejoin.pml).
 */
#ifndef T
#define T 3           /* highest term */
#endif
#ifndef CHANGES
#define CHANGES 1
#endif
#ifndef CRASHES
#define CRASHES 0
#endif
#ifndef DEATHS
#define DEATHS 1      /* destroyed for ever; a second one only when the first is replaced */
#endif
#ifndef LAPSES
#define LAPSES 1      /* only with -DLIVE: lease lapses of a live leader */
#endif
#ifndef ELECTS
#define ELECTS 0      /* only with -DLIVE: needless elections */
#endif
#define Bt(r) (1<<(r))
#define IN(r,m) (((m)>>(r))&1)
#define MAJ(m) (((m)&((m)-1))!=0)                 /* two of three */
#define ALL 15

mtype = { NONE, QUEUED, RUN, DONE };
/* durable, per region */
byte tm[4]; byte pt[4];                           /* promised term, and to whom (plus 1) */
byte lt[4]; byte sq[4]; mtype st[4]; byte og[4]; byte ng[4];     /* the copy of the log, and its group */
/* volatile, or the environment's */
byte pv[4];                                       /* candidate: who has promised */
byte ak[4];                                       /* leader: who has acknowledged its newest record */
byte gr[4];                                       /* v's grant: the region that may still run on it, plus 1 */
byte ob[4];                                       /* grants from before CHANGE on which r's processes may still run */
bit ex[4]; bit vfin[4]; bit dead[4];
byte deaths=DEATHS; byte crashes=CRASHES; byte changes=CHANGES;
#ifdef LIVE
byte lapses=LAPSES; byte elects=ELECTS;
#endif
bit rep; byte tok; byte led=2;                    /* led: ghost, the terms that were started */
byte settled=7;                                   /* ghost: the newest group whose FINAL is Q */

#define LEAD(r) (!dead[r] && lt[r]==tm[r] && pt[r]==(r)+1)
#define CAND(r) (!dead[r] && lt[r]<tm[r] && pt[r]==(r)+1)
#define BOTH(m,r) (MAJ((m)&og[r]) && MAJ((m)&ng[r]))
#define QK(r) (BOTH(ak[r]|Bt(r),r))
#define GRANTS(l) ((gr[0]==(l)+1)+2*(gr[1]==(l)+1)+4*(gr[2]==(l)+1)+8*(gr[3]==(l)+1))
#define LEASE(l) (BOTH(GRANTS(l)|Bt(l),l))
#define MEMBER(r,x) IN(r,og[x]|ng[x])
#define GT(a,b) (lt[a]>lt[b] || (lt[a]==lt[b] && sq[a]>sq[b]))
#define ABOVE(a,b) (dead[b] || (!dead[a] && !GT(b,a)))
#define TOP (ABOVE(0,1) && ABOVE(0,2) && ABOVE(0,3) -> 0 : (ABOVE(1,2) && ABOVE(1,3) -> 1 : (ABOVE(2,3) -> 2 : 3)))
#define EXECS (ex[0]+ex[1]+ex[2]+ex[3])
#define DEADS (dead[0]+2*dead[1]+4*dead[2]+8*dead[3])

#ifdef RANKED                 /* a newcomer has the rank of the one it replaces; one change only */
#define RANK(r) ((r)<3 -> (r) : (!IN(0,ng[r]) -> 0 : (!IN(1,ng[r]) -> 1 : 2)))
#define MINE(r,t) (((t)+2)%3==RANK(r))
#else
#define MINE(r,t) 1
#endif
#ifdef M_TWICE                /* a promise does not name its candidate: the same number may be promised again */
#define NEWER(r,c) (tm[r]<tm[c] || (tm[r]==tm[c] && lt[r]<tm[r] && pt[r]!=(c)+1 && pt[r]!=(r)+1))
#else
#define NEWER(r,c) (tm[r]<tm[c])
#endif
#ifdef M_OLDGRANT             /* grants that counted for the old group alone are not waited out */
#define OLD_LEASE_OVER 1
#else
#define OLD_LEASE_OVER (ob[r]==0)
#endif
#ifdef M_TWO                  /* the next change begins before this one has ended */
#define SETTLED 1
#else
#define SETTLED (og[r]==ng[r] && QK(r))
#endif
#ifdef R_NOLEARN              /* not a mutant: the newcomer need not have the log before CHANGE. Safe; only slower */
#define LEARNT(n) 1
#else
#define LEARNT(n) (!dead[n] && lt[n]==tm[r])
#endif

inline wr() { sq[r]++; ak[r]=0 }
inline follow(x) { st[r]=st[x]; lt[r]=lt[x]; sq[r]=sq[x]; og[r]=og[x]; ng[r]=ng[x] }
inline kill(l) { if :: !LEASE(l) && ob[l]==0 -> ex[l]=0 :: else fi }

/* the leader replaces member d by the region n that is outside */
#define CHANGE(d) :: atomic { changes>0 && LEAD(r) && SETTLED && d!=r && IN(d,ng[r]) && LEARNT(OUT) -> \
     changes--; n=OUT; ob[r]=(ex[r] -> GRANTS(r)&ng[r] : 0); og[r]=OLDGROUP; ng[r]=(ng[r]&(ALL-Bt(d)))|Bt(n); n=0; NOJOINT; wr() }
#define OUT (!IN(0,ng[r]) -> 0 : (!IN(1,ng[r]) -> 1 : (!IN(2,ng[r]) -> 2 : 3)))
#define OLDGROUP ng[r]
#ifdef M_NOJOINT              /* the new group counts alone at once */
#define NOJOINT og[r]=ng[r]; ob[r]=0
#else
#define NOJOINT skip
#endif
#define COPY(x) :: atomic { r!=x && !dead[r] && LEAD(x) && (MEMBER(r,x) && !(lt[r]==lt[x] && sq[r]==sq[x]) || changes>0 && lt[r]<lt[x]) && \
       (tm[r]<tm[x] && (gr[r]==0 || gr[r]==(x)+1) && !ex[r] || tm[r]==tm[x]) -> \
     tm[r]=tm[x]; pt[r]=(x)+1; pv[r]=0; ak[x]=ak[x]|Bt(r); vfin[r]=0; \
     APPLY(x) }
#ifdef M_NOLOG                /* a newcomer acknowledges what comes now, before it has what came earlier */
#define APPLY(x) if :: st[r]==NONE -> lt[r]=lt[x]; sq[r]=sq[x]; og[r]=og[x]; ng[r]=ng[x] :: else -> follow(x) fi
#else
#define APPLY(x) follow(x)
#endif
/* -DLEAVE: a former member that learns from leader x that FINAL is Q drops its copy. It keeps the number that it promised, and
 * does not repeat that promise, since it would come without the log (M_REPEATS). A promise still on its way has the log: the
 * candidate might as well have got it before */
#define LEFT(x) :: atomic { r!=x && !dead[r] && lt[r]>0 && LEAD(x) && og[x]==ng[x] && QK(x) && !IN(r,ng[x]) && lt[r]<=lt[x] && !ex[r] -> \
     lt[r]=0; sq[r]=0; st[r]=NONE; og[r]=0; ng[r]=0; pv[r]=0; ak[r]=0; vfin[r]=0; FORGET }
#ifdef M_FORGETS              /* it forgets its promise too, and may be a newcomer again */
#define FORGET tm[r]=0; pt[r]=0
#else
#ifdef M_REPEATS
#define FORGET skip
#else
#define FORGET pt[r]=0
#endif
#endif
#ifdef M_VERSION              /* promises come without the group: the candidate counts by the group that it knew */
#define TAKE(x) st[r]=st[x]; lt[r]=lt[x]; sq[r]=sq[x]
#else
#define TAKE(x) follow(x)
#endif
#define VOTE(c) :: atomic { r!=c && !dead[r] && CAND(c) && MEMBER(r,c) && NEWER(r,c) && (gr[r]==0 || gr[r]==(c)+1) && !ex[r] -> \
     tm[r]=tm[c]; pt[r]=(c)+1; pv[r]=0; vfin[r]=0 }
#define PROMISE(v) :: atomic { r!=v && CAND(r) && !dead[v] && tm[v]==tm[r] && PROMISED(v) && !IN(v,pv[r]) -> \
     pv[r]=pv[r]|Bt(v); if :: GT(v,r) -> assert(!ex[r]); TAKE(v) :: else fi }
#ifdef M_TWICE
#define PROMISED(v) (lt[v]<tm[v] && pt[v]!=v+1)
#else
#define PROMISED(v) (pt[v]==r+1)
#endif
#ifdef LIVE
#define LAPSED(l) (LEAD(l) && tm[l]==tm[r] && st[l]==RUN)
#define MAYLAPSE (!LAPSED(gr[r]-1) || lapses>0)
#define USELAPSE if :: LAPSED(gr[r]-1) -> lapses-- :: else fi
#define ATWORK(o) (o!=r && (LEAD(o) || (CAND(o) && IN(o,ng[o]))) && tm[o]>=tm[r])
#define REFUSES(v) (v!=r && !dead[v] && MEMBER(v,r) && (tm[v]>tm[r] || (tm[v]==tm[r] && pt[v]!=r+1)))
#define NEEDED (!ATWORK(0) && !ATWORK(1) && !ATWORK(2) && !ATWORK(3) && \
   ((!LEAD(r) && !CAND(r)) || REFUSES(0) || REFUSES(1) || REFUSES(2) || REFUSES(3)))
#define MAYCAND (NEEDED || elects>0)
#define USECAND if :: NEEDED -> skip :: else -> elects-- fi
#else
#define MAYLAPSE 1
#define USELAPSE skip
#define MAYCAND 1
#define USECAND skip
#endif
#define STAND(t) :: atomic { !dead[r] && tm[r]>0 && (t)<=T && MINE(r,t) && IN(r,ng[r]) && gr[r]==0 && (!ex[r] || pt[r]==r+1) && MAYCAND -> \
     USECAND; tm[r]=(t); pt[r]=r+1; pv[r]=0; vfin[r]=0 }

proctype Rep(byte r) { byte l; byte n;
end:
  do
  /* ---------- leader: the job ---------- */
  :: atomic { LEAD(r) && st[r]==QUEUED -> st[r]=RUN; wr() }
  :: atomic { LEAD(r) && st[r]==RUN && !ex[r] && !vfin[r] && LEASE(r) ->         /* RUN need not be Q */
       assert(EXECS==0); assert(!rep);
       assert(tm[r]>=tok); tok=tm[r];
       ex[r]=1 }
  :: atomic { ex[r] -> ex[r]=0; ob[r]=0; if :: LEAD(r) -> vfin[r]=1 :: else fi }
  :: atomic { LEAD(r) && st[r]==RUN && vfin[r] -> st[r]=DONE; vfin[r]=0; wr() }
  :: atomic { LEAD(r) && st[r]==DONE && QK(r) && !rep -> rep=1 }
  /* ---------- leader: the group ---------- */
  CHANGE(0)
  CHANGE(2)
#if CHANGES>1
  CHANGE(1)
  CHANGE(3)
#endif
  :: atomic { ob[r]>0 -> l=ob[r]&(ALL-(ob[r]-1)); ob[r]=ob[r]&(ALL-l); l=0; kill(r) }     /* an old grant has run out */
  :: atomic { LEAD(r) && og[r]!=ng[r] && QK(r) && OLD_LEASE_OVER -> og[r]=ng[r]; wr() }    /* FINAL */
  :: atomic { LEAD(r) && og[r]==ng[r] && QK(r) && settled!=ng[r] -> settled=ng[r] }
  /* ---------- member ---------- */
#ifdef LEAVE
  LEFT(0)
  LEFT(1)
  LEFT(2)
  LEFT(3)
#endif
  COPY(0)
  COPY(1)
  COPY(2)
  COPY(3)
  :: atomic { !dead[r] && gr[r]==0 && pt[r]>0 && pt[r]!=r+1 && LEAD(pt[r]-1) && tm[pt[r]-1]==tm[r] && st[pt[r]-1]==RUN && MEMBER(r,pt[r]-1) -> gr[r]=pt[r] }
  :: atomic { gr[r]>0 && MAYLAPSE -> USELAPSE; l=gr[r]-1; gr[r]=0; ob[l]=ob[l]&(ALL-Bt(r)); kill(l); l=0 }
  /* ---------- next term ---------- */
  STAND(tm[r]+1)
  STAND(tm[r]+2)
#ifdef RANKED
  STAND(tm[r]+3)
#endif
  VOTE(0)
  VOTE(1)
  VOTE(2)
  VOTE(3)
  PROMISE(0)
  PROMISE(1)
  PROMISE(2)
  PROMISE(3)
  :: atomic { CAND(r) && BOTH(pv[r]|Bt(r),r) && IN(r,ng[r]) ->                                 /* START */
       if :: st[r]==RUN && !ex[r] -> st[r]=QUEUED :: else assert(!(ex[r] && st[r]!=RUN)) fi;
#ifndef HARM                  /* mutants have to do harm to the job, not only break the rule */
       assert(!(led & Bt(tm[r])));
#endif
       led=led|Bt(tm[r]); lt[r]=tm[r]; sq[r]=0; ak[r]=0; pv[r]=0; vfin[r]=0 }
  /* ---------- crash and restart; destroyed ---------- */
  :: atomic { crashes>0 && !dead[r] -> crashes--; vfin[r]=0; pv[r]=0; if :: ex[r]=0; ob[r]=0 :: skip fi }
  :: atomic { deaths>0 && !dead[r] && (!IN(r,settled) || (DEADS&settled)==0) -> deaths--; dead[r]=1; ex[r]=0; ob[r]=0; vfin[r]=0; pv[r]=0; ak[r]=0;
       tm[r]=0; pt[r]=0; lt[r]=0; sq[r]=0; st[r]=NONE; og[r]=0; ng[r]=0 }
  od
}

proctype Monitor() {
end: do
  :: atomic { EXECS>1 -> assert(EXECS<=1) }
  :: atomic { st[TOP]==NONE || (rep && st[TOP]!=DONE) -> assert(false) }     /* nothing that was acknowledged is lost */
#ifdef LIVE
  :: atomic { timeout -> assert(rep); assert(og[TOP]==ng[TOP]); break }
#endif
  od
}
init { atomic {
  tm[0]=1; tm[1]=1; tm[2]=1; pt[0]=1; pt[1]=1; pt[2]=1; lt[0]=1; lt[1]=1; lt[2]=1;
  st[0]=QUEUED; st[1]=QUEUED; st[2]=QUEUED; st[3]=NONE; og[0]=7; og[1]=7; og[2]=7; ng[0]=7; ng[1]=7; ng[2]=7;
  run Monitor(); run Rep(0); run Rep(1); run Rep(2); run Rep(3) } }
